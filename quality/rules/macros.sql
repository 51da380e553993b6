-- Macros for the predicates of rules.

-- Has it a Chinese character?
CREATE MACRO has_han(text) AS regexp_matches(text, '[\x{3400}-\x{9FFF}\x{20000}-\x{2FFFF}]');

-- Is there nothing to read in it?
CREATE MACRO is_blank(text) AS coalesce(trim(text, ' 　'), '') = '';

-- The digits (and X) of the first number of a field of numbers, without hyphens.
CREATE MACRO number_of(text) AS
    upper(regexp_replace(regexp_extract(text, '[0-9][0-9Xx \-‐–]*'), '[^0-9Xx]', '', 'g'));

-- One of its digits; X counts 10.
CREATE MACRO digit(d, place) AS strpos('0123456789X', d[place]) - 1;

-- An ISBN of 10 or 13 digits whose check digit is right (ISO 2108).
CREATE MACRO isbn10_sum(d) AS
    10 * digit(d, 1) + 9 * digit(d, 2) + 8 * digit(d, 3) + 7 * digit(d, 4) + 6 * digit(d, 5) + 5 * digit(d, 6) + 4 * digit(d, 7) + 3 * digit(d, 8) + 2 * digit(d, 9) + digit(d, 10);
CREATE MACRO isbn13_sum(d) AS
    digit(d, 1) + 3 * digit(d, 2) + digit(d, 3) + 3 * digit(d, 4) + digit(d, 5) + 3 * digit(d, 6) + digit(d, 7) + 3 * digit(d, 8) + digit(d, 9) + 3 * digit(d, 10) + digit(d, 11) + 3 * digit(d, 12) + digit(d, 13);
-- A list of one with a lambda names a value, so that it is worked out once also inside a CASE.
CREATE MACRO isbn_is_valid(text) AS
    list_transform([number_of(text)], lambda d:
        CASE length(d)
            WHEN 10 THEN coalesce(isbn10_sum(d) % 11 = 0, false)
            WHEN 13 THEN left(d, 3) IN ('978', '979') AND coalesce(isbn13_sum(d) % 10 = 0, false)
            ELSE false
        END)[1];

-- An ISSN whose check digit is right (ISO 3297).
CREATE MACRO issn_sum(d) AS
    8 * digit(d, 1) + 7 * digit(d, 2) + 6 * digit(d, 3) + 5 * digit(d, 4) + 4 * digit(d, 5) + 3 * digit(d, 6) + 2 * digit(d, 7) + digit(d, 8);
CREATE MACRO issn_is_valid(text) AS
    list_transform([number_of(text)], lambda d: length(d) = 8 AND coalesce(issn_sum(d) % 11 = 0, false))[1];

-- A number of the Chinese Library Classification: 22 main classes, a second letter only under T (and DF),
-- points between digits, letters of programming languages, then auxiliary tables.
CREATE MACRO clc_is_valid(text) AS
    regexp_matches(trim(text), '^\[?([A-KN-SU-VXZ]|T[BDEFGHJ-NPQSUV]?|DF)[0-9]*(\.[0-9]+)*[A-Z]{0,4}\]?([-=+:(<"“/\[{#].*)?$');

-- The first year in a text, as four digits; null where there is none.
CREATE MACRO year_in(text) AS
    TRY_CAST(nullif(regexp_extract(text, '(^|[^0-9])(1[0-9]{3}|20[0-9]{2})([^0-9]|$)', 2), '') AS INT);

-- A citizen identity number (18 digits with a date of birth), or a mobile number that is called a telephone.
CREATE MACRO is_personal(text) AS
    regexp_matches(text, '(^|[^0-9])[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]([^0-9]|$)')
    OR regexp_matches(text, '(?i)(电话|手机|联系方式|phone|mobile|tel)[^0-9]{0,8}1[3-9][0-9]{9}([^0-9]|$)');
