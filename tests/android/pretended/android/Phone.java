package android;

import java.io.File;
import java.util.ArrayList;
import java.util.List;

/** What the pretended Android answers; a test sets it. */
public final class Phone {
    public static boolean interactive = true;
    public static boolean sustainedSupported;
    public static boolean secureLock;
    public static int thermalStatus;
    public static float headroom = 0.5f;
    public static int headroomAsked;
    public static long charge = 2_000_000;
    public static int millivolts = 3900;
    public static int plugged;
    public static int priority = -8;
    public static int caller = 2000;
    public static int windowFlags;
    public static boolean lockDismissed;
    public static File media;
    public static final List<String> SAID = new ArrayList<>();

    private Phone() {}
}
