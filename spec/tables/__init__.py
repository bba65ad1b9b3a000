"""The tables that kinds of study share, as frozen pydantic models."""
