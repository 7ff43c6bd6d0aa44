"""Becoming a customer: application, documents by reference, class and limits, approval by two people, and a first deposit as a test.

    states      the life of an application, one table
    refusals    every "no" with its number, 2201 to 2249
    records     what is kept, and its bounds
    people      names, in a store of their own that can forget
    book        applications and decisions in SQL
    engine      account and class as commands, sent once
    service     all of it as one object, `Onboarding`
    words       both ways between these values and the public language
    commands    `novate onboard`

Names never leave `people`: journal, log and decisions hold a salted id. docs/guides/onboarding.md says how it is used.
"""
