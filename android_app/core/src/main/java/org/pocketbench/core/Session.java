package org.pocketbench.core;

/** What the builds of one request share. */
final class Session {
    final Folder folder;
    final Platform platform;
    final Clock clock;
    final Control control;
    final Stopwatch stopwatch;
    private final Log log;

    Session(Setting setting, Stopwatch stopwatch) {
        this.folder = setting.folder;
        this.platform = setting.platform;
        this.clock = setting.clock;
        this.control = setting.control;
        this.log = setting.log;
        this.stopwatch = stopwatch;
    }

    void log(String line) {
        log.say(line);
    }
}
