-- What does one use cost, of each kind of service?
-- 各类服务每次使用的成本是多少？
-- name Cost per use | 次均成本
-- column member_code: Member library code | 成员馆代码
-- column year: Calendar year | 年
-- column service: print (items added in the year, and loans of the year), ppv, ill (what it borrowed), system (a rented system), platform (all that was paid for a platform, its packages among it), package (what was paid for one package; never add both) | 服务：print 当年新增单册与当年借阅，ppv 单篇付费，ill 借入，system 共享系统，platform 平台全部费用（含其资源包），package 资源包费用（二者不可相加）
-- column detail: Platform, package or system; none for print and ill | 平台、资源包或系统
-- column currency: Currency; prices of items are in CNY | 币种，单册价格以人民币计
-- column spend_cents: Spent, in hundredths of the currency; amounts not given left out | 支出（分），未给出的不计
-- column counted: What a use is: loans, orders, filled requests, transactions (logins where there are none); of a platform the first that is reported of Unique_Item_Requests, Total_Item_Requests, Searches_Platform, Searches_Regular; of a package the requests of its titles | 计数口径：借出、订单、满足的申请、业务量（无则登录次数）；平台依次取 Unique_Item_Requests、Total_Item_Requests、Searches_Platform、Searches_Regular；资源包取其题名的请求数
-- column uses: How often; none where nothing is reported of a platform, or a package has no title list | 使用次数；平台无报告或资源包无题名清单时为空
-- column months: Of a platform or package: months of the year with reports; fewer than 12 make a use look too dear | 平台或资源包有报告的月数，不足 12 时次均成本偏高
-- column cost_per_use_cents: spend_cents / uses | 次均成本（分）= 支出 / 使用次数
WITH printed AS (
    SELECT member_code, year(accession_date) AS year, sum(price_cents) AS spend FROM marts.item_use
    WHERE price_cents IS NOT NULL AND accession_date IS NOT NULL GROUP BY ALL
),
-- platforms as invoices and as reports name them
paid AS (SELECT *, lower(trim(platform)) AS named, coalesce(currency, 'CNY') AS paid_in FROM catalog.cost),
reported AS (
    SELECT member_code, year, lower(trim(platform)) AS named, metric_type, sum(uses) AS uses, count(DISTINCT month) AS months,
        list_position(['Unique_Item_Requests', 'Total_Item_Requests', 'Searches_Platform', 'Searches_Regular'], metric_type)
            AS place
    FROM marts.eusage GROUP BY ALL HAVING place IS NOT NULL
),
platform AS (
    SELECT paid.member_code, paid.year, min(trim(platform)) AS platform, paid_in, sum(cost_cents) AS spend,
        any_value(reported.metric_type) AS counted, any_value(reported.uses) AS uses,
        any_value(reported.months) AS months
    FROM paid LEFT JOIN (
        FROM reported QUALIFY row_number() OVER (PARTITION BY member_code, year, named ORDER BY place) = 1
    ) AS reported USING (member_code, year, named)
    WHERE platform IS NOT NULL GROUP BY paid.member_code, paid.year, named, paid_in
),
-- a title counts for a package once, whichever of its numbers the list has
listed AS (
    SELECT DISTINCT member_code, lower(trim(package)) AS package_named,
        unnest(list_distinct([isbn, online_isbn, issn, online_issn])) AS number
    FROM catalog.title_list WHERE package IS NOT NULL
),
of_package AS (
    SELECT member_code, package_named, year, sum(requests) AS uses
    FROM (
        SELECT DISTINCT member_code, package_named, year, platform, data_type, bib_id, title, requests
        FROM listed JOIN (
            SELECT *, unnest(list_distinct([isbn, print_issn, online_issn])) AS number
            FROM marts.eusage_by_member_and_title
        ) USING (member_code, number)
    )
    GROUP BY ALL
),
months AS (SELECT member_code, year, max(months) AS months FROM reported GROUP BY ALL),
package AS (
    SELECT paid.member_code, paid.year, min(trim(package)) AS package, paid_in, sum(cost_cents) AS spend,
        CASE WHEN bool_or(listed.package_named IS NOT NULL) THEN coalesce(any_value(of_package.uses), 0) END AS uses,
        any_value(months.months) AS months
    FROM paid
    LEFT JOIN (SELECT DISTINCT member_code, package_named FROM listed) AS listed
        ON listed.member_code = paid.member_code AND package_named = lower(trim(package))
    LEFT JOIN of_package ON of_package.member_code = paid.member_code AND of_package.year = paid.year
        AND of_package.package_named = lower(trim(package))
    LEFT JOIN months ON months.member_code = paid.member_code AND months.year = paid.year
    WHERE package IS NOT NULL GROUP BY paid.member_code, paid.year, lower(trim(package)), paid_in
),
used AS (
    SELECT member_code, year, 'print' AS service, NULL AS detail, 'CNY' AS currency, spend, 'loans' AS counted,
        loans AS uses, NULL AS months
    FROM printed JOIN marts.circulation USING (member_code, year)
    UNION ALL
    SELECT member_code, year(ordered_date), 'ppv', platform, coalesce(currency, 'CNY'), sum(price_cents), 'orders',
        count(*), NULL
    FROM catalog.ppv GROUP BY ALL
    UNION ALL
    SELECT member_code, year(coalesce(submitted_date, CAST(submitted_at AS DATE))), 'ill', NULL,
        coalesce(currency, 'CNY'), sum(fee_cents), 'filled requests',
        count(*) FILTER (outcome = 'filled'), NULL
    FROM catalog.request WHERE role = 'borrow' GROUP BY ALL
    UNION ALL
    SELECT member_code, year(month), 'system', system, 'CNY', sum(fee_cents),
        CASE WHEN count(transactions) > 0 THEN 'transactions' ELSE 'logins' END,
        sum(coalesce(transactions, logins)), NULL
    FROM catalog.system_usage GROUP BY ALL
    UNION ALL
    SELECT member_code, year, 'platform', platform, paid_in, spend, counted, uses, months FROM platform
    UNION ALL
    SELECT member_code, year, 'package', package, paid_in, spend, 'title requests', uses, months FROM package
)
SELECT member_code, year, service, detail, currency, CAST(spend AS BIGINT) AS spend_cents, counted,
    CAST(uses AS BIGINT) AS uses, months, spend / nullif(uses, 0) AS cost_per_use_cents
FROM used WHERE spend IS NOT NULL
ORDER BY member_code, year, service, detail, currency
