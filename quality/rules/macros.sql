-- Macros for the predicates of rules.

-- Has it a Chinese character?
CREATE MACRO has_han(text) AS regexp_matches(text, '[\x{3400}-\x{9FFF}\x{20000}-\x{2FFFF}]');

-- Is there nothing to read in it?  What begins with more than a space is not looked at further.
CREATE MACRO is_blank(text) AS
    CASE WHEN text >= '!' AND NOT starts_with(text, '　') THEN false ELSE coalesce(trim(text, ' 　'), '') = '' END;

-- The digits (and X) of the first number of a field of numbers, without hyphens; most are an ISBN without any.
CREATE MACRO number_of(text) AS
    CASE
        WHEN regexp_matches(text, '^[0-9]{9}[0-9X]( ?\(|$)') THEN left(text, 10)
        WHEN regexp_matches(text, '^[0-9]{13}( ?\(|$)') THEN left(text, 13)
        ELSE upper(regexp_replace(regexp_extract(text, '[0-9]([0-9Xx \-‐–]*[0-9Xx])?'), '[ \-‐–]+', '', 'g'))
    END;

-- Check digits.  A digit is the number cut behind it less ten times the number cut before it, so a weighted sum of
-- digits is one of cut numbers, which are quickly had.  A list of one with a lambda names a value, so that it is
-- worked out once also inside a CASE.

-- Up to ten digits weighted 1, 2, 3 … from the right, the last one perhaps X for 10: is that a multiple of 11?
-- (What begins with 0X would be read as hexadecimal.)
CREATE MACRO mod11_is_right(digits) AS
    list_transform(
        [CASE WHEN ends_with(digits, 'X') THEN 10 * TRY_CAST(left(digits, -1) AS BIGINT) ELSE TRY_CAST(digits AS BIGINT) END],
        lambda n: coalesce(
            (n + 3 * (n // 10) + 5 * (n // 100) + 7 * (n // 1000) + 9 * (n // 10000) + 2 * (n // 1000000)
            + 4 * (n // 10000000) + 6 * (n // 100000000) + 8 * (n // 1000000000)
            + CASE WHEN ends_with(digits, 'X') THEN 10 ELSE 0 END) % 11 = 0 AND NOT starts_with(digits, '0X'), false))[1];

-- Thirteen digits weighted 1 and 3 in turn: is that a multiple of 10?
CREATE MACRO mod10_is_right(digits) AS
    list_transform([TRY_CAST(digits AS BIGINT)], lambda n: coalesce(
        (n + n // 100 + n // 10000 + n // 1000000 + n // 100000000 + n // 10000000000 + n // 1000000000000
        + 3 * (n // 10 + n // 1000 + n // 100000 + n // 10000000 + n // 1000000000 + n // 100000000000))
        % 10 = 0, false))[1];

-- An ISBN of 10 or 13 digits whose check digit is right (ISO 2108).
CREATE MACRO isbn_is_valid(text) AS
    list_transform([number_of(text)], lambda d:
        CASE length(d)
            WHEN 10 THEN mod11_is_right(d)
            WHEN 13 THEN left(d, 3) IN ('978', '979') AND mod10_is_right(d)
            ELSE false
        END)[1];

-- An ISSN whose check digit is right (ISO 3297).
CREATE MACRO issn_is_valid(text) AS
    list_transform([number_of(text)], lambda d: length(d) = 8 AND mod11_is_right(d))[1];

-- An ISMN of 10 (with M) or 13 characters (979-0) whose check digit is right; M counts as 9790 (ISO 10957).
CREATE MACRO ismn_is_valid(text) AS
    list_transform(
        [regexp_replace(regexp_extract(upper(text), '^\s*(ISMN[\s:]*)?([M9][0-9 \-‐–]*)', 2), '[ \-‐–]+', '', 'g')],
        lambda d: CASE
            WHEN length(d) = 10 AND starts_with(d, 'M') THEN mod10_is_right('9790' || d[2:])
            ELSE length(d) = 13 AND starts_with(d, '9790') AND mod10_is_right(d)
        END)[1];

-- A Library of Congress control number: up to three letters, year and serial (LC, LCCN Namespace).
-- Most are digits among spaces, and looked at no further.
CREATE MACRO lccn_is_valid(text) AS
    CASE
        WHEN regexp_matches(text, '^ *[0-9]{8,10} *$') THEN true
        ELSE regexp_matches(regexp_replace(text, '\s|/.*$', '', 'g'),
            '^[a-z]{0,3}([0-9]{8,10}|([0-9]{2}|[0-9]{4})-[0-9]{1,6})$')
    END;

-- An OCLC number behind its prefix; and what says that it is one.
CREATE MACRO oclc_is_valid(text) AS
    regexp_matches(text,
        '^\s*(\((?i:OCo?LC)\)\s*(?i:oc[mn]|on)?|(?i:oc[mn])|on)\s*0*[1-9][0-9]{0,13}(\s|\\|$)');
CREATE MACRO says_oclc(text) AS
    regexp_matches(text, '^\s*(?i:\(OCo?LC\)|oc[mn]\s*[0-9])');

-- A CALIS control number, CAL and twelve digits; and what says that it is one.
CREATE MACRO calis_is_valid(text) AS
    regexp_matches(text, '^\s*\(?(?i:CAL(IS)?)\)?[\s\-]*[0-9]{12}\s*$');
CREATE MACRO says_calis(text) AS
    regexp_matches(text, '^\s*\(?(?i:CAL(IS)?)\)?[\s\-]*[0-9]');

-- A DOI, alone or behind an address or name (ISO 26324); and what says that it is one.
CREATE MACRO doi_is_valid(text) AS
    regexp_matches(lower(text),
        '^\s*(https?://(dx\.|www\.)?doi\.org/|info:doi/|urn:doi:|doi[:\s]*)?10\.[0-9]{4,9}/\S+\s*$');
CREATE MACRO says_doi(text) AS
    regexp_matches(lower(text), '^\s*(https?://(dx\.|www\.)?doi\.org\b|info:doi\b|urn:doi\b|doi\s*:|doi\s+10)');

-- Full-width figures, letters and signs of numbers as half-width ones.
CREATE MACRO half_width(text) AS
    translate(text, '０１２３４５６７８９ＣＮ．－／：', '0123456789CN.-/:');

-- A Chinese book number as before 1988 (统一书号): class 1 to 17 and publisher, a point, serial.
CREATE MACRO ubsn_is_valid(text) AS
    regexp_matches(regexp_replace(half_width(text), '\s|^(统一书号|書號|书号):?', '', 'g'),
        '^(1[0-7]|[1-9])[0-9]{3}[·•‧∙・･.\-–—][0-9]{1,5}($|[^0-9])');

-- A Chinese serial number (国内统一刊号): province of GB/T 2260 or 10, serial, class; and what looks like one.
CREATE MACRO cn_is_valid(text) AS
    regexp_matches(upper(half_width(text)),
        '^\s*(CN\s*)?(1[0-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|81|82)\s*[\-–—]\s*[0-9]{4}(\s*/\s*[A-Z][A-Z0-9.\-]*)?\s*$');
CREATE MACRO says_cn(text) AS
    regexp_matches(upper(half_width(text)), '^\s*(CN|[0-9]{2}\s*[\-–—])');

-- A number of the Chinese Library Classification: 22 main classes, a second letter only under T (and DF),
-- points between digits, letters of programming languages, then auxiliary tables.
CREATE MACRO clc_is_valid(text) AS
    regexp_matches(trim(text), '^\[?([A-KN-SU-VXZ]|T[BDEFGHJ-NPQSUV]?|DF)[0-9]*(\.[0-9]+)*[A-Z]{0,8}\]?([-=+:(<"“/\[{#].*)?$');

-- The first year in a text, as four digits; null where there is none.
CREATE MACRO year_in(text) AS
    TRY_CAST(nullif(regexp_extract(text, '(^|[^0-9])(1[0-9]{3}|20[0-9]{2})([^0-9]|$)', 2), '') AS INT);

-- The year in which a record was entered: 008/00-05 in MARC 21, 100$a/0-7 in CNMARC and UNIMARC; null where that
-- can't be read.
CREATE MACRO entered_in(format, coded, general) AS
    CASE WHEN format = 'marc21' THEN
        CASE WHEN regexp_matches(coded, '^[0-9]{6}')
            THEN CAST(left(coded, 2) AS INT) + CASE WHEN left(coded, 2) >= '60' THEN 1900 ELSE 2000 END END
    ELSE TRY_CAST(left(general, 4) AS INT) END;

-- May a value that no format defines stand there?  9 is kept for local use, and | means in CNMARC and UNIMARC that
-- nobody said.
CREATE MACRO is_local(format, found) AS found = '9' OR (found = '|' AND format <> 'marc21');

-- Is it literature, a screenplay (PN1997) or a general collection, by its class?  The Library of Congress gives such
-- works no subject.  (Languages and literatures stand together in PA to PM; a subject more is never
-- asked for.)
CREATE MACRO is_literature(lcc, ddc) AS
    regexp_matches(coalesce(lcc[1], ''), '^(P[AGHJKLQRSTZ]|AC)[0-9 ]|^PN1997([^0-9]|$)')
    OR regexp_matches(coalesce(ddc[1], ''), '^8[0-9]{2}|\[(Fic|E)\]');

-- The check digit of a citizen identity number (GB 11643): weighted by 2^17 … 2^0 modulo 11 all digits (X is 10) give 1.
CREATE MACRO identity_number_is_valid(digits) AS
    list_sum(list_transform(range(1, 19), lambda n: (1 << (18 - n)) * CASE
        WHEN upper(substr(digits, n, 1)) = 'X' THEN 10 ELSE CAST(substr(digits, n, 1) AS INT) END)) % 11 = 1;

-- A citizen identity number by its province and a date of birth that there can be, or a mobile number that is called a
-- telephone.  A number with a slip is somebody's all the same; but where systems keep numbers of their own, such as the
-- 18 digits of Alma's items, the check digit must be right too.
CREATE MACRO is_personal(tag, text) AS
    list_bool_or(list_transform(
        regexp_extract_all(text, '(?:^|[^0-9])((?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])[0-9]{4}'
            || '(?:19|20)[0-9]{6}[0-9]{3}[0-9Xx])(?:[^0-9]|$)', 1),
        lambda number: year(try_strptime(substr(number, 7, 8), '%Y%m%d')) <= getvariable('batch_year')
            AND (NOT regexp_matches(tag, '^(00.|035|8[5-7].|9..)$') OR identity_number_is_valid(number))))
    OR regexp_matches(text, '(?i)(电话|手机|联系方式|phone|mobile|tel)[^0-9]{0,8}1[3-9][0-9]{9}([^0-9]|$)');

-- The publisher's number in a Chinese ISBN of 13 digits: 2 to 6 digits behind 978-7 as the ranges of the ISBN agency
-- have them; null for any other.
CREATE MACRO isbn_publisher_number(isbn) AS
    CASE WHEN starts_with(isbn, '9787') AND length(isbn) = 13 THEN
        substr(isbn, 5, CASE WHEN substr(isbn, 5, 1) = '0' THEN 2 WHEN substr(isbn, 5, 1) < '5' THEN 3
            WHEN substr(isbn, 5, 1) < '8' THEN 4 WHEN substr(isbn, 5, 1) = '8' THEN 5 ELSE 6 END) END;
