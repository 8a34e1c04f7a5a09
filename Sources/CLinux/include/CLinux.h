// The Linux calls that Swift's Glibc module does not expose: epoll, eventfd and accept4.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
