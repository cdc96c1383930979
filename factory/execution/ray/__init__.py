"""All of Ray: session, actors, and the pool that hands shards to them."""
