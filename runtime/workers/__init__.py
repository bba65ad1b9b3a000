"""Worker processes, on this machine or on a Dask cluster."""

MOST_WORKERS = 512  # processes of this machine
