SELECT row, 1 AS part, tenant, coalesce(withdrawn, false) AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN coalesce(platform, package) IS NULL THEN
        'neither platform nor package tells what it was paid for' END), '') AS fault,
    year, platform, package, cost_cents, coalesce(currency, 'CNY') AS currency
FROM cells
