"""Attributed quotations: content, cue, speaker."""
