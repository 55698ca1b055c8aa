/*
 * The server of the comparison on libuv: one loop, one buffer to read into for all connections. What is to be sent is tried at once, and
 * only what the system does not take is copied and given to uv_write. `peer-libuv --help` tells of its arguments.
 */

#include <netinet/in.h>
#include <uv.h>

#include "options.h"

struct client {
    /* First, so that a pointer to it is one to the client. */
    uv_tcp_t tcp;
    struct client *before;
    struct client *after;
    /* Of a stream: the one write that is always under way. Others have what they need while they need it. */
    uv_write_t *streaming;
};

/* Bytes that the system did not take yet, and those that wait for them, be it one client or many. */
struct chunk {
    size_t waiting;
    char bytes[];
};

/* A chunk on its way to a client. */
struct delivery {
    uv_write_t request;
    struct chunk *chunk;
};

static struct options options;
static uv_loop_t *loop;
static struct client *clients;

/* Where every read goes: what is read is done with, or copied, before the next read. */
static char scratch[64 * 1024];

/* What a stream repeats. */
static unsigned char pieces[PIECES_AT_ONCE * PIECE];

static void must(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
        exit(1);
    }
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void on_closed(uv_handle_t *handle) {
    struct client *client = (struct client *)handle;
    free(client->streaming);
    free(client);
}

/* Takes a client out, and closes its connection. Writes under way end with UV_ECANCELED. */
static void part_with(struct client *client) {
    if (uv_is_closing((uv_handle_t *)client)) {
        return;
    }
    if (client->before != NULL) {
        client->before->after = client->after;
    } else {
        clients = client->after;
    }
    if (client->after != NULL) {
        client->after->before = client->before;
    }
    uv_close((uv_handle_t *)client, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(scratch, sizeof scratch);
}

/* How much the system takes at once, which is nothing while a write is under way; negative if the connection is broken. */
static int try_write(struct client *client, const char *bytes, size_t count) {
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
    int sent = uv_try_write((uv_stream_t *)client, &buffer, 1);
    return sent == UV_EAGAIN ? 0 : sent;
}

static struct chunk *chunk_of(const char *bytes, size_t count) {
    struct chunk *chunk = allocate(sizeof *chunk + count);
    chunk->waiting = 0;
    memcpy(chunk->bytes, bytes, count);
    return chunk;
}

/* Has `count` of the bytes of a chunk sent when there is room; `on_sent` is told, and is to call `delivered`. */
static int deliver(struct client *client, struct chunk *chunk, const char *bytes, size_t count, uv_write_cb on_sent) {
    struct delivery *delivery = allocate(sizeof *delivery);
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
    delivery->chunk = chunk;
    int result = uv_write(&delivery->request, (uv_stream_t *)client, &buffer, 1, on_sent);
    if (result < 0) {
        free(delivery);
    } else {
        chunk->waiting += 1;
    }
    return result;
}

static void delivered(uv_write_t *request) {
    struct delivery *delivery = (struct delivery *)request;
    delivery->chunk->waiting -= 1;
    if (delivery->chunk->waiting == 0) {
        free(delivery->chunk);
    }
    free(delivery);
}

/* Echo. Who does not read is not read from: what is held is never more than was read at a time. */

static void on_echo_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void on_echo_sent(uv_write_t *request, int status) {
    uv_stream_t *stream = request->handle;
    delivered(request);
    if (status < 0) {
        part_with((struct client *)stream);
    } else {
        uv_read_start(stream, on_alloc, on_echo_read);
    }
}

static void on_echo_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct client *client = (struct client *)stream;
    /* The end is read when everything was sent. */
    if (count < 0) {
        part_with(client);
        return;
    }
    int sent = try_write(client, buffer->base, (size_t)count);
    if (sent == count) {
        return;
    }
    if (sent < 0) {
        part_with(client);
        return;
    }
    uv_read_stop(stream);
    size_t rest = (size_t)(count - sent);
    struct chunk *chunk = chunk_of(buffer->base + sent, rest);
    if (deliver(client, chunk, chunk->bytes, rest, on_echo_sent) < 0) {
        free(chunk);
        part_with(client);
    }
}

/* Stream. The end of one write begins the next. */

static void stream_on(struct client *client);

static void on_stream_sent(uv_write_t *request, int status) {
    struct client *client = (struct client *)request->handle;
    if (status < 0) {
        part_with(client);
    } else {
        stream_on(client);
    }
}

static void stream_on(struct client *client) {
    uv_buf_t buffer = uv_buf_init((char *)pieces, sizeof pieces);
    if (uv_write(client->streaming, (uv_stream_t *)client, &buffer, 1, on_stream_sent) < 0) {
        part_with(client);
    }
}

static void on_stream_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    (void)buffer;
    if (count < 0) {
        part_with((struct client *)stream);
    }
}

/* Broadcast. */

static void on_broadcast_sent(uv_write_t *request, int status) {
    struct client *client = (struct client *)request->handle;
    delivered(request);
    if (status < 0) {
        part_with(client);
    }
}

/* Sends what was read to one client; what the system does not take is copied to `*chunk`, once for all clients. Says whether the client stays. */
static bool tell(struct client *client, const uv_buf_t *read, size_t count, struct chunk **chunk) {
    int sent = try_write(client, read->base, count);
    if (sent < 0) {
        return false;
    }
    size_t rest = count - (size_t)sent;
    if (rest == 0) {
        return true;
    }
    if (uv_stream_get_write_queue_size((uv_stream_t *)client) + rest > MOST_UNSENT) {
        return false;
    }
    if (*chunk == NULL) {
        *chunk = chunk_of(read->base, count);
    }
    return deliver(client, *chunk, (*chunk)->bytes + sent, rest, on_broadcast_sent) == 0;
}

static void on_broadcast_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct client *from = (struct client *)stream;
    if (count < 0) {
        part_with(from);
        return;
    }
    struct chunk *chunk = NULL;
    struct client *after;
    for (struct client *client = clients; client != NULL && count > 0; client = after) {
        after = client->after;
        if (client != from && !tell(client, buffer, (size_t)count, &chunk)) {
            part_with(client);
        }
    }
    if (chunk != NULL && chunk->waiting == 0) {
        free(chunk);
    }
}

/* Clients come. */

static void begin(struct client *client) {
    switch (options.mode) {
    case MODE_ECHO:
        uv_read_start((uv_stream_t *)client, on_alloc, on_echo_read);
        break;
    case MODE_STREAM:
        client->streaming = allocate(sizeof *client->streaming);
        uv_read_start((uv_stream_t *)client, on_alloc, on_stream_read);
        stream_on(client);
        break;
    case MODE_BROADCAST:
        uv_read_start((uv_stream_t *)client, on_alloc, on_broadcast_read);
        break;
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0) {
        fprintf(stderr, "accept: %s\n", uv_strerror(status));
        return;
    }
    struct client *client = allocate(sizeof *client);
    must(uv_tcp_init(loop, &client->tcp), "a socket");
    client->streaming = NULL;
    client->before = NULL;
    client->after = clients;
    if (clients != NULL) {
        clients->before = client;
    }
    clients = client;
    if (uv_accept(listener, (uv_stream_t *)client) < 0) {
        part_with(client);
        return;
    }
    uv_tcp_nodelay(&client->tcp, 1);
    begin(client);
}

int main(int argc, char **argv) {
    char library[64];
    snprintf(library, sizeof library, "libuv %s", uv_version_string());
    options = read_options(argc, argv, library);
    prepare(&options);
    fill_pieces(pieces, sizeof pieces);
    loop = uv_default_loop();

    uv_tcp_t listener;
    struct sockaddr_in address;
    must(uv_tcp_init(loop, &listener), "a socket");
    must(uv_ip4_addr("127.0.0.1", options.port, &address), "the address");
    must(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0), "bind");
    must(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "listen");
    int size = sizeof address;
    must(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size), "the address");
    announce(ntohs(address.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}
