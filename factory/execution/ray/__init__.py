"""Everything that uses Ray: sessions, actors, and the pool that gives shards to them."""
