package org.pocketbench.core;

import java.io.File;
import java.io.IOException;

/**
 * Where the paths of a request start. A confined folder lets nothing out: what a path leads to, links followed, must
 * lie in it or in one of the folders it is told to share (the phone's store of files); outputs go to a folder of
 * their own.
 */
public final class Folder {
    private final File inputs;
    private final File outputs;
    private final File[] shared;
    private final boolean confined;

    private Folder(File inputs, File outputs, boolean confined, File... shared) {
        this.inputs = inputs;
        this.outputs = outputs;
        this.confined = confined;
        this.shared = shared;
    }

    /** Paths may lead anywhere, as for a worker on the user's own machine. */
    public static Folder open(File folder) {
        return new Folder(folder, folder, false);
    }

    public static Folder confined(File inputs, File outputs, File... shared) {
        return new Folder(inputs, outputs, true, shared);
    }

    /** The file that a request's path means. */
    File resolve(String path) throws Refused {
        return within(path, inputs);
    }

    /** The folder for outputs, made where it is missing. */
    File output(String path) throws Refused {
        File folder = within(path, outputs);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new Refused(folder + " cannot be made");
        }
        return folder;
    }

    private File within(String path, File start) throws Refused {
        File found = new File(path).isAbsolute() ? new File(path) : new File(start, path);
        if (!confined || isBelow(found, start)) {
            return found;
        }
        for (File other : shared) {
            if (start == inputs && isBelow(found, other)) {
                return found;
            }
        }
        throw new Refused("the path '" + path + "' leads out of " + start);
    }

    /** Whether a path, links followed, lies inside a folder. */
    static boolean isBelow(File path, File folder) throws Refused {
        try {
            return path.getCanonicalPath().startsWith(folder.getCanonicalPath() + File.separator);
        } catch (IOException error) {
            throw new Refused("the path " + path + " cannot be followed: " + Refused.oneLine(error));
        }
    }
}
