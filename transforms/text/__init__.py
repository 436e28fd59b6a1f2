"""Share language-neutral text functions between packages."""
