"""Worker processes, on this machine or on a Dask cluster."""
