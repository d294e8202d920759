/* SPDX-License-Identifier: MIT */
#include "ctl/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER   "\x1b[?1049h\x1b[?25l" /* the other screen, nothing blinking */
#define LEAVE   "\x1b[0m\x1b[?25h\x1b[?1049l"
#define HOME    "\x1b[H"
#define TO_END  "\x1b[K" /* of the line, erased */
#define BELOW   "\x1b[J" /* all of it, erased */
#define NORMAL  "\x1b[0m"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static struct termios before;
static volatile sig_atomic_t ended;

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, text, size);

		if (written < 0 && errno == EINTR && !ended)
			continue;
		if (written <= 0)
			return;
		text += written;
		size -= (size_t)written;
	}
}

static void take_terminal(void)
{
	struct termios raw = before;

	/* Ctrl-C and Ctrl-Z still make signals. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	write_all(ENTER, strlen(ENTER));
}

static void give_terminal_back(void)
{
	write_all(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void on_end(int number)
{
	ended = number;
}

/* To be woken is all. */
static void on_resize(int number)
{
	(void)number;
}

/* All that is called in handlers may be: signal-safety(7). */
static void on_continue(int number)
{
	int error = errno;

	(void)number;
	take_terminal();
	errno = error;
}

/* on_continue() comes before the return. */
static void on_stop(int number)
{
	int error = errno;

	(void)number;
	give_terminal_back();
	raise(SIGSTOP);
	errno = error;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

int screen_open(struct screen *screen)
{
	*screen = (struct screen){ .rows = 0 };
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before))
		return -ENOTTY;
	for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
		handle(ending[i], on_end);
	handle(SIGWINCH, on_resize);
	handle(SIGTSTP, on_stop);
	handle(SIGCONT, on_continue);
	take_terminal();
	return 0;
}

int screen_begin(struct screen *screen)
{
	struct winsize size;

	screen->rows = 24;
	screen->columns = 80;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row > 0 && size.ws_col > 0) {
		screen->rows = size.ws_row;
		screen->columns = size.ws_col;
	}
	screen->used = 0;
	screen->picture = open_memstream(&screen->picture_text, &screen->picture_size);
	screen->line = open_memstream(&screen->line_text, &screen->line_size);
	if (screen->picture && screen->line) {
		fputs(HOME, screen->picture);
		return 0;
	}
	if (screen->picture)
		fclose(screen->picture);
	return -ENOMEM;
}

FILE *screen_line(struct screen *screen)
{
	rewind(screen->line);
	return screen->line;
}

void screen_end_line(struct screen *screen, enum screen_style style)
{
	static const char *const styles[] = { [SCREEN_PLAIN] = "", [SCREEN_BOLD] = "\x1b[1m", [SCREEN_REVERSE] = "\x1b[7m" };
	int size;

	fflush(screen->line);
	if (screen->used == screen->rows)
		return;
	size = screen->line_size > (size_t)screen->columns ? screen->columns : (int)screen->line_size;
	/* Erased first: behind a line that is full, the last character is where the terminal writes next. */
	fprintf(screen->picture, "%s" TO_END "%s%.*s" NORMAL, screen->used ? "\r\n" : "", styles[style], size,
	        screen->line_text);
	screen->used++;
}

void screen_finish(struct screen *screen)
{
	if (screen->used < screen->rows)
		fputs("\r\n" BELOW, screen->picture);
	fclose(screen->line);
	if (!fclose(screen->picture))
		write_all(screen->picture_text, screen->picture_size);
	free(screen->line_text);
	free(screen->picture_text);
}

bool screen_ended(void)
{
	return ended != 0;
}

void screen_close(struct screen *screen)
{
	(void)screen;
	give_terminal_back();
	if (!ended)
		return;
	signal(ended, SIG_DFL);
	raise(ended);
}
