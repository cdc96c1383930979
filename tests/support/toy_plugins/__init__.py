"""One more edit, model family, source of subjects and export format: a folder or a file each."""
