/*
 * config_example.h - bot.conf.example as the table of options has it.
 */
#pragma once

#include "bot/base/buf.h"

/* Adds the whole file. */
void config_example(struct buf *out);
