"""Turn a recipe into cases and shards, with bytes, memory and time. Pure; draws all random
parameters.
"""
