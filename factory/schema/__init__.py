"""What a render recipe may say, composed of the sections of its parts."""
