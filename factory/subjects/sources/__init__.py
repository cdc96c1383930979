"""The sources of subjects: each module defines SOURCE."""
