"""Turn a recipe into cases and shards, and project bytes, memory and time.

All random parameters of cases are drawn here. Nothing is written.
"""
