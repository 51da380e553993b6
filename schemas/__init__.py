"""Contracts: every table and column once, crosswalks, and the generated dictionary."""
