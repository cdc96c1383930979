"""What the training loops of all families share."""
