"""Writing and reading datasets: layout, shards, ledger and seal."""
