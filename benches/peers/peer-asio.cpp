// The server of the comparison on asio, without Boost: a session for each connection, kept alive by the operation that it waits for, with a buffer
// of its own. One thread, so that nothing is locked. `peer-asio --help` tells of its arguments.

#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "options.h"

namespace {

using asio::ip::tcp;
using std::error_code;
using std::size_t;

// What the servers in Rust have that are made of tasks: what tutorials have, and little enough for ten thousand of them.
constexpr size_t read_size = 16 * 1024;

using Buffer = std::array<char, read_size>;

class Echo : public std::enable_shared_from_this<Echo> {
public:
    explicit Echo(tcp::socket socket) : socket_(std::move(socket)) {}

    void start() { read(); }

private:
    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, size_t count) {
            // At the end, too, nothing refers to the session any more, and it closes; everything was sent by then.
            if (!error) {
                self->write(count);
            }
        });
    }

    void write(size_t count) {
        asio::async_write(socket_, asio::buffer(buffer_, count), [self = shared_from_this()](error_code error, size_t) {
            if (!error) {
                self->read();
            }
        });
    }

    tcp::socket socket_;
    Buffer buffer_;
};

class Stream : public std::enable_shared_from_this<Stream> {
public:
    Stream(tcp::socket socket, const std::vector<unsigned char> &pieces) : socket_(std::move(socket)), pieces_(pieces) {}

    void start() {
        read();
        write();
    }

private:
    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, size_t) {
            if (error) {
                // Ends the write as well.
                self->close();
            } else {
                self->read();
            }
        });
    }

    void write() {
        asio::async_write(socket_, asio::buffer(pieces_), [self = shared_from_this()](error_code error, size_t) {
            if (error) {
                self->close();
            } else {
                self->write();
            }
        });
    }

    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

    tcp::socket socket_;
    const std::vector<unsigned char> &pieces_;
    Buffer buffer_;
};

using Message = std::shared_ptr<const std::vector<char>>;

class Member;

// Who is there in a broadcast.
class Room {
public:
    void enter(std::shared_ptr<Member> member);
    void leave(const Member &member);
    void tell(const Member &from, const Message &message);

private:
    void remove(size_t place);

    std::vector<std::shared_ptr<Member>> members_;
};

class Member : public std::enable_shared_from_this<Member> {
public:
    Member(tcp::socket socket, Room &room) : socket_(std::move(socket)), room_(room) {}

    void start() {
        room_.enter(shared_from_this());
        read();
    }

    // Sends a message after those that wait. Says whether the member may stay.
    bool hear(const Message &message) {
        unsent_ += message->size();
        if (unsent_ > MOST_UNSENT) {
            return false;
        }
        waiting_.push_back(message);
        if (waiting_.size() == 1) {
            write();
        }
        return true;
    }

    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

    // Where it is in the room.
    size_t place = 0;
    bool inside = false;

private:
    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, size_t count) {
            if (error) {
                self->room_.leave(*self);
                return;
            }
            const char *begin = self->buffer_.data();
            self->room_.tell(*self, std::make_shared<const std::vector<char>>(begin, begin + count));
            self->read();
        });
    }

    void write() {
        const auto &message = *waiting_.front();
        asio::async_write(socket_, asio::buffer(message), [self = shared_from_this()](error_code error, size_t) {
            if (error) {
                self->room_.leave(*self);
                return;
            }
            self->unsent_ -= self->waiting_.front()->size();
            self->waiting_.pop_front();
            if (!self->waiting_.empty()) {
                self->write();
            }
        });
    }

    tcp::socket socket_;
    Room &room_;
    // The first is being written.
    std::deque<Message> waiting_;
    size_t unsent_ = 0;
    Buffer buffer_;
};

void Room::enter(std::shared_ptr<Member> member) {
    member->place = members_.size();
    member->inside = true;
    members_.push_back(std::move(member));
}

void Room::leave(const Member &member) {
    if (member.inside) {
        remove(member.place);
    }
}

void Room::remove(size_t place) {
    std::swap(members_[place], members_.back());
    members_[place]->place = place;
    members_.back()->inside = false;
    // Ends what it waits for, which is the last that refers to it.
    members_.back()->close();
    members_.pop_back();
}

void Room::tell(const Member &from, const Message &message) {
    for (size_t place = 0; place < members_.size();) {
        Member &member = *members_[place];
        if (&member == &from || member.hear(message)) {
            place += 1;
        } else {
            remove(place);
        }
    }
}

class Server {
public:
    Server(asio::io_context &context, const options &options)
        : mode_(options.mode), acceptor_(context), timer_(context), pieces_(PIECES_AT_ONCE * PIECE) {
        fill_pieces(pieces_.data(), pieces_.size());
        const tcp::endpoint address(asio::ip::address_v4::loopback(), options.port);
        acceptor_.open(address.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind(address);
        acceptor_.listen(BACKLOG);
        accept();
    }

    unsigned short port() const { return acceptor_.local_endpoint().port(); }

private:
    void accept() {
        acceptor_.async_accept([this](error_code error, tcp::socket socket) {
            if (error) {
                accept_later(error);
                return;
            }
            error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            begin(std::move(socket));
            accept();
        });
    }

    // The client is there still, and would be refused again at once: no descriptor is left, as a rule.
    void accept_later(error_code error) {
        std::fprintf(stderr, "accept: %s\n", error.message().c_str());
        timer_.expires_after(std::chrono::milliseconds(10));
        timer_.async_wait([this](error_code) { accept(); });
    }

    void begin(tcp::socket socket) {
        switch (mode_) {
        case MODE_ECHO:
            std::make_shared<Echo>(std::move(socket))->start();
            break;
        case MODE_STREAM:
            std::make_shared<Stream>(std::move(socket), pieces_)->start();
            break;
        case MODE_BROADCAST:
            std::make_shared<Member>(std::move(socket), room_)->start();
            break;
        }
    }

    mode mode_;
    tcp::acceptor acceptor_;
    asio::steady_timer timer_;
    Room room_;
    std::vector<unsigned char> pieces_;
};

} // namespace

int main(int argc, char **argv) {
    const std::string library = "asio " + std::to_string(ASIO_VERSION / 100000) + "." + std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                                std::to_string(ASIO_VERSION % 100);
    const options options = read_options(argc, argv, library.c_str());
    prepare(&options);
    try {
        // Everything is done on this thread, so asio need not lock.
        asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
        const Server server(context, options);
        announce(server.port());
        context.run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
    return 0;
}
