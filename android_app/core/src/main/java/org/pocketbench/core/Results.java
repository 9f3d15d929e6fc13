package org.pocketbench.core;

import java.io.File;
import java.util.List;

/** What the read-only provider of results gives, to whom. */
public final class Results {
    private static final int ROOT = 0;
    private static final int SYSTEM = 1000;
    private static final int SHELL = 2000;

    private Results() {}

    /** The file that `content://.../RUN/NAME...` means; SecurityException for whom or what it is not meant. */
    public static File file(File runs, List<String> path, String mode, int caller) {
        if (caller != SHELL && caller != ROOT && caller != SYSTEM) {
            throw new SecurityException("user " + caller + " may not read results");
        }
        if (!"r".equals(mode)) {
            throw new SecurityException("results are for reading alone");
        }
        File found = runs;
        for (String name : path) {
            if (!name.matches("[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")) {
                throw new SecurityException("'" + name + "' is no name of a result");
            }
            found = new File(found, name);
        }
        try {
            if (path.size() < 2 || !Folder.isBelow(found, runs)) {
                throw new SecurityException("a result lies in the folder of its run");
            }
        } catch (Refused error) {
            throw new SecurityException(error.getMessage());
        }
        return found;
    }
}
