"""Small requests without a frame: what the general path would answer, to the last bit, or nothing at all.

A `RowPlan` is made once for each loaded version. A row that is not obviously right, and a declaration that it does not
know, is left to the general path, which alone says what is wrong.
"""
