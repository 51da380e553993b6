SELECT row, 1 AS part, tenant, false AS withdrawn,
    nullif(concat_ws('; ', fault, CASE WHEN coalesce(logins, active_users, transactions, CAST(storage_mb AS BIGINT))
        IS NULL THEN 'no figure is given' END), '') AS fault,
    system, month, logins, active_users, transactions, CAST(round(storage_mb) AS BIGINT) AS storage_mb, fee_cents
FROM cells
