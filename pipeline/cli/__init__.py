"""Every command of `onrecord`."""
