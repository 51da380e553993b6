SELECT rule, waiver.source_id, member_code, until, who, why, decided_at, in_force
FROM quality.waiver LEFT JOIN quality.score USING (source_id)
ORDER BY in_force DESC, decided_at DESC
