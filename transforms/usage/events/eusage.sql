SELECT row, 1 AS part, NULL AS tenant, false AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN metric_type IS NULL THEN 'the metric is missing' END,
        CASE WHEN platform IS NULL THEN 'the platform is missing' END), '') AS fault,
    report_id, contains(report_id, '_') AS is_view, coalesce(partial, false) AS partial, release, institution_id,
    provider, platform,
    CASE left(report_id, 2) WHEN 'PR' THEN 'platform' WHEN 'DR' THEN 'database' WHEN 'TR' THEN 'title' ELSE 'item' END
        AS level,
    title, item, publisher, proprietary_id, isbn_isbn AS isbn, doi, print_issn_issn AS print_issn,
    online_issn_issn AS online_issn, uri, string_split(parent_ids, '|') AS parent_ids,
    nullif(list_filter([CASE WHEN isbn_isbn IS NULL THEN 'ISBN:' || isbn END,
        CASE WHEN online_issn_issn IS NULL THEN 'Online_ISSN:' || online_issn END,
        CASE WHEN print_issn_issn IS NULL THEN 'Print_ISSN:' || print_issn END], lambda x: x IS NOT NULL), []) AS bad_ids,
    data_type, section_type, yop, access_type, access_method, metric_type, month, count
FROM cells
