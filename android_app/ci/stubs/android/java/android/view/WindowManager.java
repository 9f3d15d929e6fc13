package android.view;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public interface WindowManager {
    /** See WindowManager. */
    class LayoutParams {
        public static int FLAG_KEEP_SCREEN_ON;
        public static int FLAG_SHOW_WHEN_LOCKED;
        public static int FLAG_TURN_SCREEN_ON;
    }
}
