-- How many tenants of each centre use each shared system, and how much?
-- 各中心有多少馆租用各共享系统？用量多少？
-- name Rental by centre | 分中心租用统计
-- column centre_code: Code of the centre; national where national centres serve the member, unknown where the tenant was no member in that month | 中心代码；由全国中心直接服务的为 national，当月非成员馆的为 unknown
-- column level: regional or provincial | 级别：地区或省级
-- column system: Shared system | 系统
-- column month: First day of the month | 月份（首日）
-- column tenants: Members that report the system | 租用馆数
-- column active_tenants: Tenants with any login, user or transaction | 活跃馆数（有登录、用户或业务）
-- column logins: Logins | 登录次数
-- column active_users: People who used it | 活跃用户数
-- column transactions: Transactions | 业务量
-- column storage_mb: Storage taken, in megabytes | 存储量（MB）
WITH tenant AS (
    -- where a member moved within a month, its later place stands for it
    SELECT used.*, period.member_code IS NOT NULL AS is_member, regional_centre, province
    FROM catalog.system_usage AS used LEFT JOIN dim.member_period AS period
        ON period.member_code = used.member_code AND used.month BETWEEN date_trunc('month', valid_from) AND valid_to
    QUALIFY row_number() OVER (PARTITION BY used.source_id, used.row_key ORDER BY valid_from DESC) = 1
),
placed AS (
    SELECT *, 'regional' AS level, CASE WHEN is_member THEN coalesce(regional_centre, 'national') ELSE 'unknown' END
        AS centre_code
    FROM tenant
    UNION ALL BY NAME SELECT *, 'provincial' AS level, coalesce('province-' || province, 'unknown') AS centre_code
    FROM tenant
)
SELECT centre_code, level, system, month, count(DISTINCT member_code) AS tenants,
    count(DISTINCT member_code) FILTER (
        coalesce(logins, 0) + coalesce(active_users, 0) + coalesce(transactions, 0) > 0
    ) AS active_tenants,
    CAST(sum(logins) AS BIGINT) AS logins, CAST(sum(active_users) AS BIGINT) AS active_users,
    CAST(sum(transactions) AS BIGINT) AS transactions, CAST(sum(storage_mb) AS BIGINT) AS storage_mb
FROM placed GROUP BY centre_code, level, system, month ORDER BY level DESC, centre_code, system, month
