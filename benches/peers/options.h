/*
 * What the servers in C and C++ have in common: the command line, the limit of descriptors, the end with the input, and the line that says where they listen. The
 * servers in Rust do the same: `src/servers.rs` and `src/servers/options.rs`.
 */

#ifndef PEER_OPTIONS_H
#define PEER_OPTIONS_H

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* How many connections may wait to be accepted. */
enum { BACKLOG = 4096 };

/* What a server in stream mode repeats has so many bytes, of which byte i is i % 251. */
enum { PIECE = 64 * 1024 };

/* How many pieces are handed to the library at a time. */
enum { PIECES_AT_ONCE = 4 };

/* How many bytes may wait for a client of a broadcast. One that lets more wait is dropped. */
enum { MOST_UNSENT = 64 * 1024 * 1024 };

enum mode {
    MODE_ECHO,
    MODE_STREAM,
    MODE_BROADCAST,
};

struct options {
    unsigned short port;
    enum mode mode;
    bool end_with_stdin;
};

/* Ends the process as one whose arguments make no sense. */
static inline void refuse(const char *program, const char *what, const char *value) {
    fprintf(stderr, "%s: %s%s\ntry --help\n", program, what, value);
    exit(2);
}

static inline unsigned short port_of(const char *program, const char *text) {
    char *end = NULL;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || port < 0 || port > 65535) {
        refuse(program, "not a port: ", text);
    }
    return (unsigned short)port;
}

static inline enum mode mode_of(const char *program, const char *text) {
    if (strcmp(text, "echo") == 0) {
        return MODE_ECHO;
    }
    if (strcmp(text, "stream") == 0) {
        return MODE_STREAM;
    }
    if (strcmp(text, "broadcast") != 0) {
        refuse(program, "neither echo nor stream nor broadcast: ", text);
    }
    return MODE_BROADCAST;
}

/* Reads the command line; ends the process if it makes no sense, or asks for help, or for `library`: what the server is made with. */
static inline struct options read_options(int argc, char **argv, const char *library) {
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"mode", required_argument, NULL, 'm'},
        {"end-with-stdin", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0, MODE_ECHO, false};
    int found;
    while ((found = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (found) {
        case 'p':
            options.port = port_of(argv[0], optarg);
            break;
        case 'm':
            options.mode = mode_of(argv[0], optarg);
            break;
        case 'e':
            options.end_with_stdin = true;
            break;
        case 'h':
            printf("%s [--port PORT] [--mode echo|stream|broadcast] [--end-with-stdin] | --version\n"
                   "A server for load generators. Listens on 127.0.0.1, and prints `listening on 127.0.0.1:PORT` when clients may come.\n",
                   argv[0]);
            exit(0);
        case 'v':
            puts(library);
            exit(0);
        default:
            exit(2);
        }
    }
    if (optind < argc) {
        refuse(argv[0], "unexpected: ", argv[optind]);
    }
    return options;
}

static inline void *end_with_stdin(void *nothing) {
    char scratch[512];
    while (read(STDIN_FILENO, scratch, sizeof scratch) > 0) {
    }
    _exit(0);
    return nothing;
}

/* Has the process ready to serve. To be called first. */
static inline void prepare(const struct options *options) {
    /* A client that is gone is an error of the write. */
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    pthread_t thread;
    if (options->end_with_stdin && pthread_create(&thread, NULL, end_with_stdin, NULL) != 0) {
        fputs("there is no thread for watching the input\n", stderr);
        exit(1);
    }
}

/* Fills `bytes`, which are `count` of them, with what a stream repeats. */
static inline void fill_pieces(unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(i % PIECE % 251);
    }
}

/* Prints the one line that says that clients may come. */
static inline void announce(unsigned short port) {
    printf("listening on 127.0.0.1:%u\n", (unsigned)port);
    fflush(stdout);
}

#endif
