"""From a study to its results: the job, the march through its program, what is kept."""
