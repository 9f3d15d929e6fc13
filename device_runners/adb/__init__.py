"""A phone at the other end of an adb connection: `connect` gives a Link, `files` and `runs` build on it."""
