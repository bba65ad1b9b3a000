"""The report: page, figures, equations, tables, exports."""
