"""Laws of terms with constants inside: exp(c u), log(u + c), waves, functions of the study."""
