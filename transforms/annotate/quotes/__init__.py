"""Find attributed quotations: content, cue and speaker."""
