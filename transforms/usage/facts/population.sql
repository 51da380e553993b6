SELECT coalesce(named.member_code, tenant, source.member_code) AS member_code, p.*
FROM staged.current_population AS p JOIN source USING (source_id)
LEFT JOIN named_member AS named ON named.name = lower(tenant)
