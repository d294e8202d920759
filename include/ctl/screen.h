/* SPDX-License-Identifier: MIT */
/*
 * The terminal as a screen of lines. What it was before comes back at the end, and also when a signal ends the program
 * or stops it.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

enum screen_style {
	SCREEN_PLAIN,
	SCREEN_BOLD,
	SCREEN_REVERSE,
};

struct screen {
	int rows, columns;
	int used;             /* lines of the picture so far */
	FILE *picture, *line; /* in memory */
	char *picture_text, *line_text;
	size_t picture_size, line_size;
};

/* Takes the terminal. Returns 0, or -errno: -ENOTTY if standard input and output are none. */
int screen_open(struct screen *screen);

/* Begins a picture, of the terminal's size now. Returns 0 or -ENOMEM. */
int screen_begin(struct screen *screen);

/* Where the next line is printed to; it is part of the picture after screen_end_line(), cut to the terminal's width. */
FILE *screen_line(struct screen *screen);
void screen_end_line(struct screen *screen, enum screen_style style);

/* Shows the picture. */
void screen_finish(struct screen *screen);

/* Whether a signal wants the program to end, which it does at the latest with screen_close(). */
bool screen_ended(void);

/* Gives the terminal back, and ends the program if a signal wants it to. */
void screen_close(struct screen *screen);

#endif
