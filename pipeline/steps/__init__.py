"""The Beam transforms that need a run and its lake; the stages in `transforms` know neither."""
