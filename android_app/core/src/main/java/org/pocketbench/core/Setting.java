package org.pocketbench.core;

/** Where a worker runs: everything that differs between a phone, this machine and a test. */
public final class Setting {
    public final Folder folder;
    public final Engines engines;
    public final Platform platform;
    public final Clock clock;
    public final Control control;
    public final Log log;

    public Setting(Folder folder, Engines engines, Platform platform, Control control, Log log) {
        this(folder, engines, platform, control, log, Clock.SYSTEM);
    }

    Setting(Folder folder, Engines engines, Platform platform, Control control, Log log, Clock clock) {
        this.folder = folder;
        this.engines = engines;
        this.platform = platform;
        this.control = control;
        this.log = log;
        this.clock = clock;
    }
}
