"""From a stored original to its facts and renditions, in a child process that may be killed."""
