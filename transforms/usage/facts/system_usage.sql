SELECT coalesce(named.member_code, tenant, source.member_code) AS member_code, s.*
FROM staged.current_system_usage AS s JOIN source USING (source_id)
LEFT JOIN named_member AS named ON named.name = lower(tenant)
