"""Datasets out: layout, shards, ledger, seal, and reading it all back."""
