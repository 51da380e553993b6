"""Tables of usage: loans, items by month, readers, requests, electronic use, and the facts made from them.

A staged row is one version of what a source reported.  `row_key` names the event it tells of, `digest` what it
says; an event told again otherwise is another version, and `staged.superseded` names the versions that no longer
count.  A fact (`catalog.*`) is what counts now, with the member and the bib it belongs to.  Readers are only ever
pseudonyms, and these are never published.
"""

from schemas.columns import BIGINT, BOOL, DATE, FLOAT, INT, SOURCE_ID, STRING, STRINGS, TIME, Table, col, key
from schemas.usage_columns import (
    BAD_IDS,
    BIB_OF,
    CURRENCY,
    IDENTIFIERS,
    ISBN_MENDED,
    MONTH,
    OF_READER,
    READER,
    READER_KEY,
    STAGED_USAGE,
    fact,
)

STAGED_SUPERSEDED = Table(
    "staged",
    "superseded",
    "one earlier version of a usage row that no longer counts",
    "被替代的使用记录",
    (
        SOURCE_ID,
        key("batch_id", STRING, "Batch that says so", "声明批次"),
        key("table_name", STRING, "Staged table of the version", "所在表"),
        key("reason", STRING, "changed, withdrawn (a row says so) or gone (a full delivery lacks it)", "原因"),
        key("old_batch_id", STRING, "Batch of the earlier version", "旧版本批次"),
        key("old_record_no", INT, "Its position in that batch", "旧版本序号"),
    ),
)

EVENT_ID = key("event_id", STRING, "Event identifier at the source", "事件号")
STAGED_LOAN, CATALOG_LOAN = fact(
    "loan",
    "one circulation event",
    "流通记录",
    (
        EVENT_ID,
        key("event_type", STRING, "loan, renew, return, hold, lost or inhouse (read in the library)", "事件类型"),
        key("event_time", TIME, "When it happened (UTC)", "发生时间（UTC）"),
        key("event_date", DATE, "Its date by the library's clock, which months go by", "发生日期（馆方时间）"),
        col("due_date", DATE, "When it is due, by the library's clock", "应还日期"),
        key("barcode", STRING, "Barcode of the item", "条码号"),
        col("location", STRING, "Where it was lent or read", "流通地点"),
        *OF_READER,
        READER_KEY,
    ),
    (
        BIB_OF,
        key(
            "item_link",
            STRING,
            "How the item was found: current (the member has it), former (it had it before), none (an orphan)",
            "单册对应方式：现有、曾有、无",
        ),
    ),
    identity=EVENT_ID,
)

STAGED_ITEM_MONTH, CATALOG_ITEM_MONTH = fact(
    "item_month",
    "one item of a member in one month",
    "单册月度快照",
    (
        MONTH,
        col("barcode", STRING, "Barcode of the item; none of a catalogued one that has none", "条码号"),
        col("record_id", STRING, "Record of the item at the member, where given", "记录号"),
        col("location", STRING, "Location", "馆藏地"),
        col("call_number", STRING, "Call number", "索书号"),
        col("item_status", STRING, "Status as given", "状态"),
        col("loanable", BOOL, "Whether it may be lent; none where the file does not say", "是否可外借"),
        col("accession_date", DATE, "When it was added to the stock", "入藏日期"),
        col("price_cents", BIGINT, "Price in hundredths of the currency", "价格（分）"),
    ),
    (
        BIB_OF,
        key(
            "from_snapshot",
            BOOL,
            "False: no snapshot; the item as catalogued, in the last month known",
            "来自快照",
        ),
    ),
)

STAGED_POPULATION, CATALOG_POPULATION = fact(
    "population",
    "how many people of a group a member served in a month",
    "服务人数",
    (
        MONTH,
        *READER,
        key("headcount", BIGINT, "Persons", "人数"),
        col("fte", FLOAT, "Full-time equivalent, where given", "折合全时人数"),
    ),
    (),
)

_STATUS = (
    key("status", STRING, "ISO 18626 status, as LoanCompleted or Unfilled; schemas/ill_statuses.csv", "状态"),
    key("outcome", STRING, "filled, unfilled, cancelled or open; follows from the status", "结果"),
    col("unfilled_reason", STRING, "Why it was not filled, as given", "未满足原因"),
    col("fee_cents", BIGINT, "Fee in hundredths of the currency", "费用（分）"),
    CURRENCY,
)

STAGED_REQUEST, CATALOG_REQUEST = fact(
    "request",
    "one interlibrary loan or document delivery request, as one side reported it",
    "馆际互借与文献传递申请",
    (
        key("request_id", STRING, "Request identifier; made from the row where the file has none", "申请号"),
        key("role", STRING, "borrow or lend: which side reported it", "角色：borrow 申请方，lend 提供方"),
        key("service", STRING, "Copy, Loan or CopyOrLoan", "服务类型"),
        col("partner", STRING, "The other library, as given", "对方馆（原样）"),
        col("submitted_at", TIME, "When it was submitted (UTC)", "提交时间（UTC）"),
        col("submitted_date", DATE, "Its date by the library's clock", "提交日期"),
        col("supplied_at", TIME, "When it was first supplied (UTC)", "首次提供时间（UTC）"),
        col("closed_at", TIME, "When it was closed (UTC)", "结束时间（UTC）"),
        *_STATUS,
        col("title", STRING, "Title of the book or journal", "书刊题名"),
        col("article_title", STRING, "Title of the article or chapter", "篇名"),
        col("pub_year", INT, "Year of publication", "出版年"),
        col("volume_issue", STRING, "Volume, issue and pages as given", "卷期页"),
        *IDENTIFIERS,
        BAD_IDS,
        ISBN_MENDED,
        *OF_READER,
        READER_KEY,
    ),
    (BIB_OF, col("partner_code", STRING, "The other library, where it is a member", "对方馆代码")),
)

STAGED_ATTEMPT, CATALOG_ATTEMPT = fact(
    "attempt",
    "one supplier asked for one request",
    "申请的一次派送",
    (
        key("request_id", STRING, "Request", "申请号"),
        key("attempt_no", INT, "Place among the suppliers asked, from 1", "派送序号"),
        key("role", STRING, "borrow or lend: which side reported it", "角色"),
        col("supplier", STRING, "Library asked, as given", "提供馆（原样）"),
        col("asked_at", TIME, "When it was asked (UTC)", "派送时间（UTC）"),
        col("supplied_at", TIME, "When it supplied (UTC)", "提供时间（UTC）"),
        col("returned_at", TIME, "When the item was back (UTC)", "归还时间（UTC）"),
        *_STATUS,
    ),
    (
        BIB_OF,
        col("supplier_code", STRING, "The supplier, where it is a member", "提供馆代码"),
        col("asked_date", DATE, "When it was asked, by the library's clock", "派送日期（馆方时间）"),
        key(
            "told_twice",
            BOOL,
            "The supplier's own row of what the borrower tells too; count the borrower's",
            "提供馆所报且申请馆亦已报（以申请馆为准）",
        ),
    ),
)

STAGED_ILL_MESSAGE = Table(
    "staged",
    "ill_message",
    "one ISO 18626 message; requests and attempts follow from all messages of a request",
    "ISO 18626 消息",
    (
        *STAGED_USAGE,
        key("message", STRING, "request, supplying or requesting: who sent it, and the first", "消息类型"),
        key("request_id", STRING, "Request identifier of the requesting agency", "申请号"),
        key("requester", STRING, "Requesting agency, as type:value", "申请机构"),
        key("supplier", STRING, "Supplying agency, as type:value", "提供机构"),
        key("sent_at", TIME, "Time of the message (UTC)", "消息时间（UTC）"),
        col("service", STRING, "Copy, Loan or CopyOrLoan", "服务类型"),
        col("status", STRING, "ISO 18626 status", "状态"),
        col("reason", STRING, "Reason for the message, or action of the requester", "消息原因或操作"),
        col("changed_at", TIME, "When the status changed (UTC)", "状态变更时间（UTC）"),
        col("unfilled_reason", STRING, "Why it was not filled", "未满足原因"),
        col("fee_cents", BIGINT, "Fee in hundredths of the currency", "费用（分）"),
        CURRENCY,
        col("title", STRING, "Title of the book or journal", "书刊题名"),
        col("article_title", STRING, "Title of the article or chapter", "篇名"),
        col("pub_year", INT, "Year of publication", "出版年"),
        col("volume_issue", STRING, "Volume, issue and pages as given", "卷期页"),
        *IDENTIFIERS,
        BAD_IDS,
    ),
    key=("source_id", "batch_id", "record_no"),
)

STAGED_PPV, CATALOG_PPV = fact(
    "ppv",
    "one pay-per-view order",
    "单篇付费订单",
    (
        key("order_id", STRING, "Order identifier", "订单号"),
        key("ordered_at", TIME, "When it was ordered (UTC)", "订购时间（UTC）"),
        key("ordered_date", DATE, "Its date by the library's clock", "订购日期"),
        key("platform", STRING, "Supplier or platform", "平台"),
        col("title", STRING, "Title of the book or journal", "书刊题名"),
        col("article_title", STRING, "Title of the article", "篇名"),
        *IDENTIFIERS,
        BAD_IDS,
        ISBN_MENDED,
        key("price_cents", BIGINT, "Price in hundredths of the currency", "价格（分）"),
        CURRENCY,
        *OF_READER,
        READER_KEY,
    ),
    (BIB_OF,),
)

STAGED_EBOOK_LOAN, CATALOG_EBOOK_LOAN = fact(
    "ebook_loan",
    "one copy of an electronic book taken by a reader",
    "电子书借阅",
    (
        key("loan_id", STRING, "Loan identifier", "借阅号"),
        key("borrowed_at", TIME, "When it was taken (UTC)", "借出时间（UTC）"),
        key("borrowed_date", DATE, "Its date by the library's clock", "借出日期"),
        key("expires_date", DATE, "Last day: as given, else one calendar month later", "到期日期"),
        col("platform", STRING, "Platform", "平台"),
        col("title_id", STRING, "Identifier of the title at the platform", "平台题名号"),
        col("title", STRING, "Title", "题名"),
        IDENTIFIERS[0],
        BAD_IDS,
        ISBN_MENDED,
        *OF_READER,
        READER_KEY,
    ),
    (BIB_OF,),
)

STAGED_EUSAGE, CATALOG_EUSAGE = fact(
    "eusage",
    "one COUNTER metric of one title (or platform, database, item) in one month",
    "电子资源使用量",
    (
        key("report_id", STRING, "COUNTER report, as TR or TR_J1", "报告代码"),
        key("is_view", BOOL, "A view (TR_J1 …): it repeats the master report (TR); never add both", "是否为视图"),
        key("release", STRING, "COUNTER release: 5 or 5.1", "COUNTER 版本"),
        key(
            "partial", BOOL, "The report says that it is only a part (exception 3040)", "报告注明数据不全（3040）"
        ),
        col("institution_id", STRING, "Institution as the report names it", "机构标识"),
        col("provider", STRING, "Who made the report", "报告提供者"),
        key("platform", STRING, "Platform", "平台"),
        key("level", STRING, "platform, database, title or item", "层级"),
        col("title", STRING, "Title, or database, that was used; of an item, its parent", "题名"),
        col("item", STRING, "Item (article, chapter) that was used, in item reports", "单篇"),
        col("publisher", STRING, "Publisher", "出版者"),
        col("proprietary_id", STRING, "Identifier at the platform", "专有标识"),
        *IDENTIFIERS[::2],
        col("print_issn", STRING, "ISSN of the printed edition", "印刷版刊号"),
        col("online_issn", STRING, "ISSN of the online edition", "电子版刊号"),
        col("uri", STRING, "Address of the title", "地址"),
        col("parent_ids", STRINGS, "Identifiers of the parent of an item, as ISBN:…, sorted", "父级标识"),
        BAD_IDS,
        col("data_type", STRING, "Data type, as Book or Journal", "数据类型"),
        col("section_type", STRING, "Section type (release 5)", "章节类型"),
        col("yop", STRING, "Year of publication as given; 0001 unknown, 9999 in press", "出版年"),
        col("access_type", STRING, "Controlled, Open, OA_Gold, Free_To_Read …", "访问类型"),
        col("access_method", STRING, "Regular or TDM", "访问方式"),
        key("metric_type", STRING, "Metric, as Total_Item_Requests", "指标"),
        MONTH,
        key("count", BIGINT, "How often", "次数"),
    ),
    (BIB_OF,),
)

STAGED_SYSTEM_USAGE, CATALOG_SYSTEM_USAGE = fact(
    "system_usage",
    "use of one shared system by one tenant in one month",
    "共享系统租用统计",
    (
        key("system", STRING, "Shared system", "系统"),
        MONTH,
        col("logins", BIGINT, "Logins", "登录次数"),
        col("active_users", BIGINT, "People who used it", "活跃用户数"),
        col("transactions", BIGINT, "Transactions or records worked on", "业务量"),
        col("storage_mb", BIGINT, "Storage taken, in megabytes", "存储量（MB）"),
        col("fee_cents", BIGINT, "Fee in hundredths of the currency", "费用（分）"),
    ),
    (),
)

STAGED_COST, CATALOG_COST = fact(
    "cost",
    "what a member paid for one platform, or one package of it, in one year",
    "电子资源费用",
    (
        key("year", INT, "Calendar year that it was paid for", "年度"),
        col("platform", STRING, "Platform or database, as paid for", "平台或数据库"),
        col("package", STRING, "Package of it, where it was paid for alone", "资源包"),
        key("cost_cents", BIGINT, "Amount in hundredths of the currency", "金额（分）"),
        CURRENCY,
    ),
    (),
)

STAGED_TITLE_LIST, CATALOG_TITLE_LIST = fact(
    "title_list",
    "one title of a KBART list",
    "电子（或印刷）资源题名清单",
    (
        col("package", STRING, "Package or collection that the list is of", "资源包"),
        col("title_id", STRING, "Identifier of the title at its provider", "题名标识"),
        key("title", STRING, "Title", "题名"),
        col("publication_type", STRING, "monograph or serial", "出版类型"),
        key("carrier", STRING, "electronic or print", "载体"),
        col("isbn", STRING, "ISBN of the printed edition as 13 digits", "印刷版书号"),
        col("online_isbn", STRING, "ISBN of the online edition as 13 digits", "电子版书号"),
        col("issn", STRING, "ISSN of the printed edition", "印刷版刊号"),
        col("online_issn", STRING, "ISSN of the online edition", "电子版刊号"),
        col("bad_ids", STRINGS, "Identifiers as given that fail their check", "无效标识"),
        col("first_date", DATE, "Coverage begins (first day where only month or year is given)", "收录开始"),
        col("last_date", DATE, "Coverage ends (first day of what is given); none: to the present", "收录结束"),
        col("coverage", STRING, "Volumes and issues covered as given", "卷期范围"),
        col("embargo", STRING, "Embargo as given (R1Y, P6M …)", "禁运期"),
        col("depth", STRING, "fulltext, selected articles, abstracts, ebook, print …", "收录深度"),
        col("access_type", STRING, "F free, P paid", "访问类型"),
        col("publisher", STRING, "Publisher", "出版者"),
        col("published_year", INT, "Year of a monograph", "出版年"),
        col("volume", STRING, "Volume of a monograph", "卷"),
        col("edition", STRING, "Edition of a monograph", "版次"),
        col("url", STRING, "Address of the title", "地址"),
        col("notes", STRING, "Notes on coverage", "收录说明"),
        col("control_number", STRING, "OCLC or record number, where given", "控制号"),
    ),
    (BIB_OF,),
)

STAGED_FACTS = {
    table.name: table
    for table in (
        STAGED_LOAN, STAGED_ITEM_MONTH, STAGED_POPULATION, STAGED_REQUEST, STAGED_ATTEMPT, STAGED_ILL_MESSAGE,
        STAGED_PPV, STAGED_EBOOK_LOAN, STAGED_EUSAGE, STAGED_SYSTEM_USAGE, STAGED_COST, STAGED_TITLE_LIST,
    )
}  # fmt: skip
CATALOG_FACTS = {
    table.name: table
    for table in (
        CATALOG_LOAN, CATALOG_ITEM_MONTH, CATALOG_POPULATION, CATALOG_REQUEST, CATALOG_ATTEMPT, CATALOG_PPV,
        CATALOG_EBOOK_LOAN, CATALOG_EUSAGE, CATALOG_SYSTEM_USAGE, CATALOG_COST, CATALOG_TITLE_LIST,
    )
}  # fmt: skip
