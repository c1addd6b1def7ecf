"""The services that run all the time, and the steps they are made of.

worker            asks the other model what production asked
scorer            compares the replies of each pair, and commits what the ledger needs
scored_rows       messages as rows of the database
embedding_models  vectors of texts for the scorer `meaning`, from the endpoints that tasks name
batches           single items collected into batches
judge             asks judges about stored pairs, round after round
judge_round       one round of one task, within the day's budget
judge_store       due pairs, cached verdicts and spending in PostgreSQL
monitor           opens and closes incidents, round after round
monitor_step      one step of one task
ledger_metrics    the ledger as Prometheus metrics
kafka/            consuming from and producing to Kafka
runtime/          health, signals, shutdown, waiting for the database
"""
