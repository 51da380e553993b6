SELECT coalesce(named.member_code, tenant, source.member_code) AS member_code, c.*
FROM staged.current_cost AS c JOIN source USING (source_id)
LEFT JOIN named_member AS named ON named.name = lower(tenant)
