"""Run shards and trainings, on Ray or in this process."""
