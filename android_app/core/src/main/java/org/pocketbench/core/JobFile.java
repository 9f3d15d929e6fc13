package org.pocketbench.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * The request as a file, and whether it may be trusted. On old phones any app can start an instrumentation; but below
 * our folder of /data/local/tmp no app can make a file that belongs to shell or root.
 */
public final class JobFile {
    static final int MOST_BYTES = 4 << 20;
    private static final int ROOT = 0;
    private static final int SHELL = 2000;
    private static final int GROUP_OR_OTHERS_WRITE = 022;

    /** What the system says about a path itself, links not followed. */
    public static final class Status {
        final long owner;
        final int mode;
        final boolean regular;
        final boolean directory;

        public Status(long owner, int mode, boolean regular, boolean directory) {
            this.owner = owner;
            this.mode = mode;
            this.regular = regular;
            this.directory = directory;
        }
    }

    /** lstat. */
    public interface Stat {
        Status of(File path) throws IOException;
    }

    private JobFile() {}

    /**
     * The file's text, if it is ours: inside `root`, it and every folder down to it owned by shell or root and not
     * writable for others, and none of them a link.
     */
    public static String trusted(File file, File root, Stat stat) throws Refused {
        if (!Folder.isBelow(file, root)) {
            throw untrusted(file, "it is not below " + root);
        }
        check(file, status(file, stat), true);
        File folder = file.getParentFile();
        for (; !folder.equals(root); folder = folder.getParentFile()) {
            check(folder, status(folder, stat), false);
            if (folder.getParentFile() == null) {
                throw untrusted(file, "it is not spelled as a path below " + root);
            }
        }
        check(root, status(root, stat), false);
        return text(file);
    }

    /** A run's name, which becomes a folder's. */
    public static String runName(String name) throws Refused {
        if (name == null || !name.matches("[A-Za-z0-9_-]{1,64}")) {
            throw new Refused("the run id '" + name + "' is not made of 1 to 64 letters, digits, _ and -");
        }
        return name;
    }

    /** The whole of a file that is not too large, in UTF-8. */
    public static String text(File file) throws Refused {
        try (FileInputStream stream = new FileInputStream(file)) {
            if (stream.getChannel().size() > MOST_BYTES) {
                throw new Refused(file + " is " + stream.getChannel().size() + " bytes, more than " + MOST_BYTES);
            }
            ByteBuffer bytes = ByteBuffer.allocate((int) stream.getChannel().size());
            int count = 0;
            while (bytes.hasRemaining() && count >= 0) {
                count = stream.getChannel().read(bytes);
            }
            bytes.flip();
            return StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT).decode(bytes)
                    .toString();
        } catch (CharacterCodingException error) {
            throw new Refused(file + " is not valid UTF-8");
        } catch (IOException error) {
            throw new Refused(file + " cannot be read: " + Refused.oneLine(error));
        }
    }

    private static Status status(File path, Stat stat) throws Refused {
        try {
            return stat.of(path);
        } catch (IOException error) {
            throw untrusted(path, Refused.oneLine(error));
        }
    }

    private static void check(File path, Status status, boolean file) throws Refused {
        if (file ? !status.regular : !status.directory) {
            throw untrusted(path, "it is not a plain " + (file ? "file" : "folder"));
        }
        if (status.owner != SHELL && status.owner != ROOT) {
            throw untrusted(path, "it belongs to user " + status.owner + ", not to shell or root");
        }
        if ((status.mode & GROUP_OR_OTHERS_WRITE) != 0) {
            throw untrusted(path, "others may write to it");
        }
    }

    private static Refused untrusted(File path, String why) {
        return new Refused("the job " + path + " is not trusted: " + why, "push it with adb, mode 0644, folders 0755");
    }
}
