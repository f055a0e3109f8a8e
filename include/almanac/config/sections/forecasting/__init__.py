"""Parts of the section `forecast`: known-ahead columns, candidates over all grains, totals."""
