-- KBART Phase II (NISO RP-9-2014), section 6.6; the first author is left out, since nothing needs it.
WITH known AS (
    SELECT *, lower(coalesce(publication_type, '')) AS kind,
        print_identifier_isbn AS print_isbn, online_identifier_isbn AS e_isbn,
        print_identifier_issn AS print_issn, online_identifier_issn AS e_issn
    FROM cells
)
SELECT row, 1 AS part, fault, NULL AS tenant, lower(coalesce(action, '')) IN ('d', 'delete', 'deleted') AS withdrawn,
    package, title_id, title,
    CASE WHEN kind IN ('monograph', 'serial') THEN kind WHEN print_isbn IS NOT NULL OR e_isbn IS NOT NULL
        THEN 'monograph' WHEN print_issn IS NOT NULL OR e_issn IS NOT NULL THEN 'serial' END AS publication_type,
    CASE WHEN lower(depth) = 'print' THEN 'print' ELSE 'electronic' END AS carrier,
    print_isbn AS isbn, e_isbn AS online_isbn, print_issn AS issn, e_issn AS online_issn,
    nullif(list_filter([CASE WHEN print_isbn IS NULL AND print_issn IS NULL THEN print_identifier END,
        CASE WHEN e_isbn IS NULL AND e_issn IS NULL THEN online_identifier END], lambda x: x IS NOT NULL), []) AS bad_ids,
    first_date, last_date,
    nullif(concat_ws(' - ', nullif(concat_ws(' ', 'v.' || first_volume, 'no.' || first_issue), ''),
        nullif(concat_ws(' ', 'v.' || last_volume, 'no.' || last_issue), '')), '') AS coverage,
    embargo, lower(depth) AS depth, access_type, publisher,
    as_year(coalesce(published_online, published_print)) AS published_year, volume, edition, url,
    nullif(concat_ws('; ', coverage_notes, notes), '') AS notes, control_number
FROM known
