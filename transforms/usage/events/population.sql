SELECT row, 1 AS part, fault, tenant, false AS withdrawn,
    month, reader_type, reader_group, department, headcount, fte
FROM cells
