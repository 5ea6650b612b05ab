package javax.annotation;

/** Marks generated code, as Java 8 had it. */
public @interface Generated {
    String[] value();
    String date() default "";
    String comments() default "";
}
